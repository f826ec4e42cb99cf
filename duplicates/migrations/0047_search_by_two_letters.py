"""Drop the indexes on 24 letters of title and artist of groups; `migrate` ends by making those on two of them.

Each row saved paid for finding its place among all titles: a fifth of what a refresh of a large library costs the
database. Backwards, `migrate` of the older version makes the longer ones again.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("duplicates", "0046_hide_what_is_being_deleted")]

    operations = [
        migrations.RunSQL(f"DROP INDEX IF EXISTS group_{name}_beginning", f"DROP INDEX IF EXISTS group_{name}_start")
        for name in ("title", "artist")
    ]
