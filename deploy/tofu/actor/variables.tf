variable "name" {
  description = "The actor's name, and the release's."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?$", var.name))
    error_message = "A DNS label of at most 53 characters, as Helm wants of a release."
  }
}

variable "namespace" {
  description = "Where it is."
  type        = string
}

variable "spec" {
  description = "The spec of its AsyncActor, with the names of docs/manifest.md: transport, image, handler, scaling and so on."
  type        = any
  validation {
    condition     = can(var.spec.transport)
    error_message = "Name its transport."
  }
}

variable "labels" {
  description = "Of the AsyncActor."
  type        = map(string)
  default     = {}
}

variable "annotations" {
  description = "Of the AsyncActor."
  type        = map(string)
  default     = {}
}

variable "chart" {
  description = "The chart asya-actor: a folder, an archive, or its name in repository."
  type        = string
  default     = "asya-actor"
}

variable "repository" {
  description = "Where the chart is, e.g. oci://registry.example/asya/charts; null where chart is a path."
  type        = string
  default     = null
}

variable "chart_version" {
  description = "The chart's; the newest where null."
  type        = string
  default     = null
}
