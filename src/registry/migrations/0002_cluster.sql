-- What the cluster itself needs: credentials, who leads, and what all nodes share.

CREATE TABLE api_keys (
  id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id       uuid NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  name          varchar(255) NOT NULL,
  key_hash      varchar(64) NOT NULL UNIQUE,             -- the key itself is shown once and never stored
  prefix        varchar(16) NOT NULL,                    -- lets people tell keys apart
  permissions   text[] NOT NULL DEFAULT '{}',
  created_at    timestamptz NOT NULL DEFAULT now(),
  expires_at    timestamptz,
  last_used     timestamptz,
  revoked_at    timestamptz
);
CREATE INDEX api_keys_user_id ON api_keys (user_id);

CREATE TABLE signing_keys (
  id            varchar(64) PRIMARY KEY,                 -- the JWT's kid
  node_id       uuid REFERENCES nodes(id) ON DELETE SET NULL,
  public_jwk    jsonb NOT NULL,                          -- private halves stay on their node
  created_at    timestamptz NOT NULL DEFAULT now(),
  expires_at    timestamptz
);
CREATE INDEX signing_keys_node_id ON signing_keys (node_id);

CREATE TABLE leases (
  name          varchar(100) PRIMARY KEY,
  holder        varchar(255) NOT NULL,
  token         bigint NOT NULL DEFAULT 1 CHECK (token > 0),  -- grows with every term, never falls
  acquired_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at    timestamptz NOT NULL
);

CREATE TABLE cluster_settings (
  name          varchar(100) PRIMARY KEY,
  value         jsonb NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER cluster_settings_updated_at BEFORE UPDATE ON cluster_settings
  FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
