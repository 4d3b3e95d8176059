"""What is usual among people: features of a person's window, models per peer group, the cohort that learns them from closed days."""
