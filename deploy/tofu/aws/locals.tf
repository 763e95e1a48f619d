# Values without a provider: what each role may do, from the templates in made/, which are those of the Pulumi program.
locals {
  here = {
    region     = local.region
    account    = local.account
    partition  = local.partition
    dns_suffix = local.dns_suffix
    prefix     = var.queue_prefix
  }
  # Apart, as the key's own policy cannot wait for the key.
  scope = merge(local.here, { key_arn = local.key_arn, bucket = local.bucket })

  crew     = ["happy-end", "error-end", "fan-in"]
  prefixes = jsondecode(file("${path.module}/made/prefixes.json"))
  ages = merge(
    { for prefix in local.prefixes.results : prefix => var.result_days },
    { for prefix in local.prefixes.passing : prefix => var.claim_days },
  )

  # Each pod that has a role: its namespace, its service account, and what it may do.
  pods = merge(
    {
      operator = { namespace = var.system_namespace, account = "asya-operator", template = "operator", actor = "", sends_to = null }
      keda     = { namespace = "keda", account = "keda-operator", template = "keda", actor = "", sends_to = null }
    },
    { for name in ["gateway"] : name => {
      namespace = var.system_namespace, account = "asya-gateway", template = "gateway", actor = "", sends_to = null
    } if var.gateway },
    { for name in local.crew : "actor-${name}" => {
      namespace = var.namespace, account = "asya-${name}", template = name, actor = name, sends_to = null
    } },
    { for name, actor in var.actors : "actor-${name}" => {
      namespace = coalesce(actor.namespace, var.namespace)
      account   = coalesce(actor.service_account, "asya-${name}")
      template  = "actor"
      actor     = name
      sends_to  = actor.sends_to
    } },
  )

  allowed = { for key, pod in local.pods : key => jsondecode(
    templatefile("${path.module}/made/${pod.template}.json.tftpl", merge(local.scope, { actor = pod.actor }))
  ) }

  # Queues that an actor with a list may send to; the other statements stay as they are.
  targets = { for key, pod in local.pods : key => [
    for target in distinct(concat([pod.actor], coalesce(pod.sends_to, []), ["happy-end", "error-end"])) :
    "arn:${local.partition}:sqs:${local.region}:${local.account}:${var.queue_prefix}${target}"
  ] }
  policies = { for key, pod in local.pods : key => jsonencode(merge(local.allowed[key], {
    Statement = [for statement in local.allowed[key].Statement : jsondecode(
      pod.sends_to != null && try(statement.Sid, "") == "Send"
      ? jsonencode(merge(statement, { Resource = local.targets[key] }))
      : jsonencode(statement)
    )]
  })) }

  trusts = { for key, pod in local.pods : key => templatefile("${path.module}/made/trust.json.tftpl", merge(local.here, {
    cluster_arn  = local.cluster_arn
    namespace    = pod.namespace
    account_name = pod.account
  })) }

  # Names of roles have 64 characters at most; those that differ stay different.
  wanted = { for key, pod in local.pods : key => "${var.name}-${key}" }
  roles = { for key, name in local.wanted : key => (
    length(name) <= 64 ? name : "${replace(substr(name, 0, 57), "/-+$/", "")}-${substr(sha256(name), 0, 6)}"
  ) }
  claimed = "alias/asya-queues-${replace(var.queue_prefix, "/-+$/", "")}"

  key_policy    = templatefile("${path.module}/made/key.json.tftpl", local.here)
  bucket_policy = templatefile("${path.module}/made/bucket.json.tftpl", local.scope)
}
