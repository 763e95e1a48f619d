data "aws_caller_identity" "here" {}

data "aws_region" "here" {}

data "aws_partition" "here" {}

data "aws_eks_cluster" "here" {
  name = var.cluster_name
}

locals {
  account     = data.aws_caller_identity.here.account_id
  region      = data.aws_region.here.region
  partition   = data.aws_partition.here.partition
  dns_suffix  = data.aws_partition.here.dns_suffix
  cluster_arn = data.aws_eks_cluster.here.arn
  key_arn     = aws_kms_key.mesh.arn
  bucket      = aws_s3_bucket.results.bucket
}
