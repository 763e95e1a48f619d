"""What users import from Asya; handlers import nothing of it."""
