from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("library", "0003_protected_tracks"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="track",
            options={
                "permissions": [
                    ("view_track_location", "Can see where a track's file lies"),
                    ("listen_to_tracks", "Can listen to tracks"),
                ]
            },
        ),
    ]
