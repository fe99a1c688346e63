"""What people ask and correct."""
