/** The number that marks a SQLite file as a history of splat (PRAGMA application_id): the letters "splt". */
export const applicationId = 0x73706c74;

/**
 * The SQL that brings a history from each version of its tables to the next, the oldest first. The version of a history is its
 * PRAGMA user_version. A released step is never edited; a change is a new step. docs/nightly.md explains the tables.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE nights (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('open', 'closed', 'abandoned')),
    matrix_file TEXT NOT NULL,
    matrix_digest TEXT NOT NULL,
    dir TEXT NOT NULL,
    plan TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    harness TEXT NOT NULL,
    signatures INTEGER NOT NULL,
    verdict TEXT,
    exit_code INTEGER
  );
  CREATE TABLE cells (
    id INTEGER PRIMARY KEY,
    cell TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    described TEXT NOT NULL
  );
  CREATE TABLE results (
    night INTEGER NOT NULL REFERENCES nights,
    cell INTEGER NOT NULL REFERENCES cells,
    class TEXT NOT NULL,
    verdict TEXT NOT NULL,
    because TEXT NOT NULL,
    sha TEXT,
    source TEXT,
    release TEXT,
    kernel TEXT,
    image TEXT,
    fragments TEXT,
    ran_on TEXT,
    trials INTEGER NOT NULL,
    total_ms INTEGER NOT NULL,
    first_splat_ms REAL,
    PRIMARY KEY (cell, night)
  ) WITHOUT ROWID;
  CREATE INDEX results_of_night ON results (night);
  CREATE TABLE trials (
    night INTEGER NOT NULL REFERENCES nights,
    cell INTEGER NOT NULL REFERENCES cells,
    purpose TEXT NOT NULL,
    trial TEXT NOT NULL,
    run TEXT NOT NULL,
    seed INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    because TEXT NOT NULL,
    total_ms INTEGER NOT NULL,
    first_splat_ms REAL,
    facts TEXT NOT NULL,
    PRIMARY KEY (night, cell, purpose, trial)
  ) WITHOUT ROWID;
  CREATE TABLE machines (
    night INTEGER NOT NULL REFERENCES nights,
    machine TEXT NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (night, machine)
  ) WITHOUT ROWID;
  CREATE TABLE signatures (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL
  );
  CREATE TABLE issues (
    cell INTEGER NOT NULL REFERENCES cells,
    ran_on TEXT NOT NULL,
    signature INTEGER NOT NULL REFERENCES signatures,
    state TEXT NOT NULL CHECK (state IN ('open', 'gone')),
    first_night INTEGER NOT NULL REFERENCES nights,
    last_night INTEGER NOT NULL REFERENCES nights,
    since_night INTEGER NOT NULL REFERENCES nights,
    PRIMARY KEY (cell, ran_on, signature)
  ) WITHOUT ROWID;
  CREATE INDEX issues_of_signature ON issues (signature);
  CREATE TABLE sightings (
    cell INTEGER NOT NULL REFERENCES cells,
    ran_on TEXT NOT NULL,
    signature INTEGER NOT NULL REFERENCES signatures,
    night INTEGER NOT NULL REFERENCES nights,
    hits INTEGER NOT NULL,
    trials INTEGER NOT NULL,
    PRIMARY KEY (cell, ran_on, signature, night)
  ) WITHOUT ROWID;
  CREATE TABLE witnesses (
    cell INTEGER NOT NULL REFERENCES cells,
    ran_on TEXT NOT NULL,
    night INTEGER NOT NULL REFERENCES nights,
    name TEXT NOT NULL,
    per_trial REAL NOT NULL,
    PRIMARY KEY (cell, ran_on, night, name)
  ) WITHOUT ROWID;
  CREATE TABLE lock_orders (
    machine TEXT NOT NULL,
    outer_class TEXT NOT NULL,
    inner_class TEXT NOT NULL,
    first_night INTEGER NOT NULL REFERENCES nights,
    last_night INTEGER NOT NULL REFERENCES nights,
    PRIMARY KEY (machine, outer_class, inner_class)
  ) WITHOUT ROWID;
  CREATE TABLE known_issues (
    entry TEXT PRIMARY KEY,
    first_night INTEGER NOT NULL REFERENCES nights,
    last_night INTEGER NOT NULL REFERENCES nights
  ) WITHOUT ROWID;
  CREATE TABLE renamed (
    old_key TEXT NOT NULL,
    new_key TEXT NOT NULL,
    PRIMARY KEY (old_key, new_key)
  ) WITHOUT ROWID;
  `,
  `
  CREATE TABLE notices (
    kind TEXT NOT NULL,
    kernel TEXT NOT NULL,
    subject TEXT NOT NULL,
    signature TEXT,
    night INTEGER NOT NULL REFERENCES nights,
    id TEXT NOT NULL,
    notice TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'told')),
    PRIMARY KEY (kind, kernel, subject)
  ) WITHOUT ROWID;
  `,
  `
  CREATE TABLE merges (
    night INTEGER PRIMARY KEY REFERENCES nights,
    before TEXT NOT NULL
  );
  `,
  `
  CREATE TABLE fragments (
    id INTEGER PRIMARY KEY,
    digests TEXT NOT NULL UNIQUE
  );
  DROP TABLE lock_orders;
  CREATE TABLE lock_edges (
    id INTEGER PRIMARY KEY,
    outer_class TEXT NOT NULL,
    inner_class TEXT NOT NULL,
    UNIQUE (outer_class, inner_class)
  );
  CREATE TABLE lock_settings (
    id INTEGER PRIMARY KEY,
    cell INTEGER NOT NULL REFERENCES cells,
    ran_on TEXT NOT NULL,
    setting TEXT NOT NULL,
    UNIQUE (cell, ran_on, setting)
  );
  CREATE TABLE lock_looks (
    setting INTEGER NOT NULL REFERENCES lock_settings,
    night INTEGER NOT NULL REFERENCES nights,
    image TEXT NOT NULL,
    looks INTEGER NOT NULL,
    PRIMARY KEY (setting, night),
    UNIQUE (setting, image)
  ) WITHOUT ROWID;
  CREATE TABLE lock_orders (
    setting INTEGER NOT NULL REFERENCES lock_settings,
    edge INTEGER NOT NULL REFERENCES lock_edges,
    first_night INTEGER NOT NULL REFERENCES nights,
    hits INTEGER NOT NULL,
    last_night INTEGER NOT NULL REFERENCES nights,
    last_hits INTEGER NOT NULL,
    told_night INTEGER REFERENCES nights,
    PRIMARY KEY (setting, edge)
  ) WITHOUT ROWID;
  CREATE INDEX lock_orders_told ON lock_orders (told_night) WHERE told_night IS NOT NULL;
  `,
  `
  ALTER TABLE sightings ADD COLUMN first_ms REAL;
  `,
  `
  ALTER TABLE nights ADD COLUMN matrix TEXT;
  ALTER TABLE nights ADD COLUMN only_cell TEXT;
  UPDATE nights SET matrix = matrix_file WHERE matrix_file <> 'splat history import';
  CREATE INDEX nights_of_matrix ON nights (matrix);
  ALTER TABLE results ADD COLUMN tried INTEGER NOT NULL DEFAULT 1;
  UPDATE results SET tried = 0 WHERE class = 'notRun' AND trials = 0;
  `,
];
