"""Amazon SQS, by boto3; the only modules of this room that import it."""
