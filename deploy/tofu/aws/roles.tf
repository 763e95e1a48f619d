# One role for each duty, by EKS Pod Identity, each bound to one service account of one namespace.
resource "aws_iam_role" "pod" {
  for_each             = local.pods
  name                 = local.roles[each.key]
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary
  assume_role_policy   = local.trusts[each.key]
}

resource "aws_iam_role_policy" "pod" {
  for_each = local.pods
  name     = "asya"
  role     = aws_iam_role.pod[each.key].id
  policy   = local.policies[each.key]
}

resource "aws_eks_pod_identity_association" "pod" {
  for_each        = local.pods
  cluster_name    = var.cluster_name
  namespace       = each.value.namespace
  service_account = each.value.account
  role_arn        = aws_iam_role.pod[each.key].arn
  depends_on      = [aws_iam_role_policy.pod]
}
