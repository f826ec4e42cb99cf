from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("duplicates", "0041_index_people_of_few_groups"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="duplicateanalysistrack", name="member_one_keeper"),
        migrations.AddConstraint(
            model_name="duplicateanalysistrack",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("is_canonical", True), ("position", 0)),
                    models.Q(("is_canonical", False), ("position__gt", 0)),
                    _connector="OR",
                ),
                name="member_keeper_is_first",
            ),
        ),
    ]
