from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("library", "0007_queued_imports"),
    ]

    operations = [
        migrations.CreateModel(
            name="TrackTouch",
            fields=[
                ("track_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("stamp", models.PositiveBigIntegerField()),
            ],
            options={
                "verbose_name_plural": "track touches",
                "indexes": [models.Index(fields=["stamp"], name="touch_stamp")],
            },
        ),
    ]
