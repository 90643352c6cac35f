-- The state of a session: what was asked for, and what each step came to, as JSON by the name of the step.
CREATE TABLE facts (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
