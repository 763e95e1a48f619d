# One key for the mesh's queues and bucket, and the bucket: encrypted, by TLS only, never public, emptied by age.
resource "aws_kms_key" "mesh" {
  description             = "Queues, results and database of an Asya mesh"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = local.key_policy
}

resource "aws_kms_alias" "mesh" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.mesh.key_id
}

# An alias is there once in an account and region, so two meshes cannot take each other's envelopes.
resource "aws_kms_alias" "prefix" {
  name          = local.claimed
  target_key_id = aws_kms_key.mesh.key_id
}

resource "aws_s3_bucket" "results" {
  bucket_prefix = var.bucket
  force_destroy = var.empty_bucket
}

resource "aws_s3_bucket_public_access_block" "results" {
  bucket                  = aws_s3_bucket.results.bucket
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "results" {
  bucket = aws_s3_bucket.results.bucket
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "results" {
  bucket = aws_s3_bucket.results.bucket
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.mesh.arn
    }
  }
}

resource "aws_s3_bucket_versioning" "results" {
  count  = var.bucket_versioning ? 1 : 0
  bucket = aws_s3_bucket.results.bucket
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "results" {
  bucket = aws_s3_bucket.results.bucket

  dynamic "rule" {
    for_each = local.ages
    content {
      id     = trimsuffix(rule.key, "/")
      status = "Enabled"
      filter {
        prefix = rule.key
      }
      expiration {
        days = rule.value
      }
    }
  }

  rule {
    id     = "unfinished-uploads"
    status = "Enabled"
    filter {
      prefix = ""
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  dynamic "rule" {
    for_each = var.bucket_versioning ? [30] : []
    content {
      id     = "old-versions"
      status = "Enabled"
      filter {
        prefix = ""
      }
      noncurrent_version_expiration {
        noncurrent_days = rule.value
      }
    }
  }
}

resource "aws_s3_bucket_policy" "results" {
  bucket     = aws_s3_bucket.results.bucket
  policy     = local.bucket_policy
  depends_on = [aws_s3_bucket_public_access_block.results]
}
