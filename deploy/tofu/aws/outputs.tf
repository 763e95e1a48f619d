output "bucket" {
  description = "For ASYA_S3_BUCKET, and the crew's and sidecars' store."
  value       = aws_s3_bucket.results.bucket
}

output "key_arn" {
  description = "For the operator's transport: it encrypts the queues that it makes with this key."
  value       = aws_kms_key.mesh.arn
}

output "region" {
  description = "Where it all is."
  value       = local.region
}

output "service_accounts" {
  description = "Service account and namespace of each pod that has a role: give actors theirs in spec.workload.template.spec.serviceAccountName."
  value       = { for key, pod in local.pods : key => { namespace = pod.namespace, service_account = pod.account } }
}

output "roles" {
  description = "ARN of each role."
  value       = { for key, role in aws_iam_role.pod : key => role.arn }
}
