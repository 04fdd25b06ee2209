"""Tables, migrations and queries. One transaction per request or activity (`store.database.session`); nobody else commits."""
