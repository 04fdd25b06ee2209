"""The JSON API, one room a topic. Never imports a workflow: it speaks to Temporal by payload models and names."""
