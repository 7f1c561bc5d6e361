-- A key has a role of its own, so that one user may have a key that can do less than another.

ALTER TABLE api_keys ADD COLUMN role varchar(20) NOT NULL DEFAULT 'user'
  CHECK (role IN ('admin', 'operator', 'user', 'readonly'));

-- People name a key by its prefix.
CREATE INDEX api_keys_prefix ON api_keys (prefix);
