"""Tables, migrations and queries. One transaction per request or activity, committed by `store.database.session`
alone."""
