-- The registry's tables. Prompts themselves are never stored.

CREATE TABLE models (
  id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name          varchar(255) NOT NULL UNIQUE,           -- full reference, e.g. registry.ollama.ai/library/llama3.2:1b
  version       varchar(50)  NOT NULL,                  -- tag, or the short manifest digest for a moved tag
  size          bigint       NOT NULL CHECK (size >= 0),
  hash          varchar(64)  NOT NULL,                  -- SHA-256 of the manifest, hex
  content_type  varchar(100) NOT NULL DEFAULT 'application/octet-stream',
  description   text,
  tags          jsonb NOT NULL DEFAULT '[]',
  parameters    jsonb NOT NULL DEFAULT '{}',
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now(),
  created_by    varchar(255),
  status        varchar(20) NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'deprecated', 'deleted')),
  replicas_wanted smallint,                             -- NULL = the cluster's default
  accessed_at   timestamptz,                            -- drives eviction
  search        tsvector GENERATED ALWAYS AS (
    to_tsvector('simple', name || ' ' || coalesce(description, ''))) STORED
);

CREATE TABLE nodes (
  id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  peer_id       varchar(255) NOT NULL UNIQUE,
  name          varchar(255),
  region        varchar(100),
  zone          varchar(100),
  address       inet,                                   -- first routable address; the full list is in multiaddrs
  port          integer CHECK (port BETWEEN 1 AND 65535),
  multiaddrs    text[] NOT NULL DEFAULT '{}',           -- what a starting node dials
  api_url       text,
  version       text,                                   -- of the daemon
  capabilities  jsonb NOT NULL DEFAULT '{}',
  resources     jsonb NOT NULL DEFAULT '{}',            -- CPU, memory, storage, accelerator
  status        varchar(20) NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'draining', 'offline', 'failed')),
  incarnation   bigint NOT NULL DEFAULT 0,              -- an older writer never overwrites a newer one
  last_heartbeat timestamptz,
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE model_replicas (
  id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  model_id      uuid NOT NULL REFERENCES models(id) ON DELETE CASCADE,
  node_id       uuid NOT NULL REFERENCES nodes(id) ON DELETE CASCADE,
  replica_path  varchar(500) NOT NULL,
  replica_hash  varchar(64),
  replica_size  bigint,
  status        varchar(20) NOT NULL DEFAULT 'syncing' CHECK (status IN ('syncing', 'ready', 'failed', 'deleted')),
  health_score  double precision NOT NULL DEFAULT 1.0 CHECK (health_score BETWEEN 0 AND 1),
  last_verified timestamptz,
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now(),
  UNIQUE (model_id, node_id)
);

CREATE TABLE users (
  id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  username      varchar(255) NOT NULL UNIQUE,           -- compared case-insensitively
  email         varchar(320) UNIQUE,
  password_hash varchar(255) NOT NULL,
  roles         text[] NOT NULL DEFAULT ARRAY['user'],
  permissions   text[] NOT NULL DEFAULT '{}',
  active        boolean NOT NULL DEFAULT true,
  metadata      jsonb NOT NULL DEFAULT '{}',
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now(),
  last_login    timestamptz
);

CREATE TABLE inference_requests (
  id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  request_id    varchar(255) NOT NULL,
  user_id       uuid REFERENCES users(id) ON DELETE SET NULL,
  model_id      uuid REFERENCES models(id) ON DELETE SET NULL,
  model_name    varchar(255) NOT NULL,
  prompt_hash   varchar(64),
  prompt_length integer,
  response_length integer,
  tokens_processed integer,
  nodes_used    text[] NOT NULL DEFAULT '{}',
  partition_strategy varchar(50),                        -- single, failover, data
  execution_time_ms integer,
  status        varchar(20) NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
  error_message text,
  metadata      jsonb NOT NULL DEFAULT '{}',
  created_at    timestamptz NOT NULL DEFAULT now(),
  completed_at  timestamptz
);

CREATE TABLE audit_log (
  id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  table_name    varchar(255) NOT NULL,
  operation     varchar(10) NOT NULL,
  old_values    jsonb,                                   -- password and key hashes removed
  new_values    jsonb,
  user_id       uuid,
  "timestamp"   timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX models_status ON models (status);
CREATE INDEX models_created_at ON models (created_at);
CREATE INDEX models_tags ON models USING gin (tags);
CREATE INDEX models_search ON models USING gin (search);

CREATE INDEX nodes_status ON nodes (status);
CREATE INDEX nodes_last_heartbeat ON nodes (last_heartbeat);
CREATE INDEX nodes_region_zone ON nodes (region, zone);

CREATE INDEX model_replicas_model_id ON model_replicas (model_id);
CREATE INDEX model_replicas_node_id ON model_replicas (node_id);
CREATE INDEX model_replicas_status ON model_replicas (status);
CREATE INDEX model_replicas_health_score ON model_replicas (health_score);

CREATE UNIQUE INDEX users_username_lower ON users (lower(username));
CREATE INDEX users_active ON users (active);
CREATE INDEX users_roles ON users USING gin (roles);

CREATE INDEX inference_requests_request_id ON inference_requests (request_id);
CREATE INDEX inference_requests_user_id ON inference_requests (user_id);
CREATE INDEX inference_requests_model_id ON inference_requests (model_id);
CREATE INDEX inference_requests_status ON inference_requests (status);
CREATE INDEX inference_requests_created_at ON inference_requests USING brin (created_at);

CREATE INDEX audit_log_table_name ON audit_log (table_name);
CREATE INDEX audit_log_timestamp ON audit_log USING brin ("timestamp");

CREATE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END
$$;

CREATE TRIGGER models_updated_at BEFORE UPDATE ON models
  FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER nodes_updated_at BEFORE UPDATE ON nodes
  FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER model_replicas_updated_at BEFORE UPDATE ON model_replicas
  FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER users_updated_at BEFORE UPDATE ON users
  FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
