"""What the surveys' modules share: tables as archives write them, and what they mean."""
