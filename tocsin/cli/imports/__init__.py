"""What people have elsewhere, as resources of Tocsin: `tocsin import oncall|healthchecks|crontab|ics|celery FILE`.

Each format is one module with one pure function from the text to an `ImportPlan`; `applying` makes what a plan says, `report` shows it.
"""
