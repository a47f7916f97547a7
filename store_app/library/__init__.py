"""What a user owns."""
