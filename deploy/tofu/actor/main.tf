resource "helm_release" "actor" {
  name       = var.name
  namespace  = var.namespace
  chart      = var.chart
  repository = var.repository
  version    = var.chart_version
  values     = [yamlencode(local.values)]
}

output "name" {
  description = "The actor's, for routes."
  value       = helm_release.actor.name
}
