"""What a player owns."""
