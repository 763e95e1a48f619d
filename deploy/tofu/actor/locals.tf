# Values without a provider.
locals {
  values = merge(var.spec, { name = var.name, labels = var.labels, annotations = var.annotations })
}
