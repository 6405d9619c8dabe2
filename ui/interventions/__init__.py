"""The Interventions page."""
