"""Amazon SQS, through boto3; no other module of this room imports it."""
