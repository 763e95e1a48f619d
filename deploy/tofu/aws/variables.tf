variable "name" {
  description = "Begins the names of what is made, e.g. asya-prod."
  type        = string
  default     = "asya"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,30}$", var.name))
    error_message = "Lower-case letters, digits and dashes, at most 31."
  }
}

variable "cluster_name" {
  description = "An EKS cluster that exists, with the Pod Identity agent."
  type        = string
}

variable "queue_prefix" {
  description = "Begins the name of every queue: the operator's ASYA_QUEUE_PREFIX. The account and region may have one mesh of a prefix."
  type        = string
  default     = "asya-"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,20}$", var.queue_prefix))
    error_message = "Lower-case letters, digits and dashes, at most 21."
  }
}

variable "bucket" {
  description = "Begins the name of the bucket of results; the provider adds what makes it unique."
  type        = string
  default     = "asya-results-"
}

variable "system_namespace" {
  description = "Namespace of operator and gateway."
  type        = string
  default     = "asya-system"
}

variable "namespace" {
  description = "Namespace of the crew, and of actors that name none."
  type        = string
  default     = "asya"
}

variable "gateway" {
  description = "Whether there is a gateway, so that it gets a role."
  type        = bool
  default     = true
}

variable "actors" {
  description = "Actors that get a role each, by name. Only the actors in sends_to, itself and the end actors may be sent to; null allows all of the mesh."
  type = map(object({
    namespace       = optional(string)
    service_account = optional(string)
    sends_to        = optional(list(string))
  }))
  default = {}
}

variable "result_days" {
  description = "Days for which results and errors are kept."
  type        = number
  default     = 90
}

variable "claim_days" {
  description = "Days after which large payloads go that nobody cleared away; a queue may keep their envelope for 14."
  type        = number
  default     = 14
}

variable "bucket_versioning" {
  description = "Keep what is overwritten or deleted in the bucket, for 30 days."
  type        = bool
  default     = false
}

variable "empty_bucket" {
  description = "Whether destroying also deletes what the bucket holds: every result."
  type        = bool
  default     = false
}

variable "role_path" {
  description = "Path of every role."
  type        = string
  default     = "/"
}

variable "permissions_boundary" {
  description = "ARN of a policy that bounds every role."
  type        = string
  default     = null
}
