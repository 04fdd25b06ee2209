"""What the database's user must be allowed to do: to make tables, and the schema in which looking back stands.

Who runs the database gives these rights; nobody here takes them. A sentence names what is to be run, and quotes no more
of what PostgreSQL said.
"""

MISSING = """
SELECT format('GRANT CREATE ON DATABASE %I TO %I', current_database(), current_user)
WHERE NOT has_database_privilege(current_database(), 'CREATE')
UNION ALL
SELECT format('GRANT USAGE, CREATE ON SCHEMA public TO %I', current_user)
WHERE to_regnamespace('public') IS NOT NULL
  AND NOT (has_schema_privilege('public', 'USAGE') AND has_schema_privilege('public', 'CREATE'))
"""


def sentence(grants: list[str]) -> str:
    """What is wrong and what to do, in both languages."""
    commands = " ".join(f"`{grant};`" for grant in grants)
    return (
        "数据库用户不能建立模式（schema）或数据表，安装、升级和回看都需要："
        f"请数据库管理员在该数据库中执行 {commands}。 "
        "The database user may not create a schema or tables, which installing, upgrades and looking back need: have a "
        f"database administrator run in this database: {commands}"
    )
