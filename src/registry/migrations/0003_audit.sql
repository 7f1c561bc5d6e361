-- Who changed what. A row for each change that a person made or a node decided on; none for what nodes write all the time:
-- heartbeats and addresses, model_replicas (what is on their disks), leases, inference_requests (a log itself).
--
-- An INSERT or DELETE keeps the whole row, an UPDATE the columns that changed and those that say which row it is. A secret
-- that is set or changed shows by its name only.

-- `columns` are hidden whatever they are called. As src/registry/pages/without-secrets.ts, which hides again when the log is read.
CREATE FUNCTION audit_hide(value jsonb, columns text[], depth integer) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  hidden constant jsonb := '"[secret]"';
BEGIN
  CASE jsonb_typeof(value)
  WHEN 'array' THEN
    RETURN CASE WHEN depth > 20 THEN hidden ELSE (
      SELECT coalesce(jsonb_agg(audit_hide(item, '{}', depth + 1) ORDER BY place), '[]')
      FROM jsonb_array_elements(value) WITH ORDINALITY AS items (item, place)) END;
  WHEN 'object' THEN
    RETURN CASE WHEN depth > 20 THEN hidden ELSE (
      SELECT coalesce(jsonb_object_agg(key, CASE
        WHEN part <> 'null' AND (key = ANY (columns)
          OR key ~* 'password|secret|token|private|credential|api_?key|key_hash|authorization') THEN hidden
        ELSE audit_hide(part, '{}', depth + 1) END), '{}')
      FROM jsonb_each(value) AS parts (key, part)) END;
  ELSE
    RETURN value;
  END CASE;
END
$$;

-- Arguments: the columns that say which row it is; those whose change is none; those that are hidden; and the names of rows
-- in which they are not.
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  named constant text[] := TG_ARGV[0];
  ignored constant text[] := TG_ARGV[1];
  hidden text[] := TG_ARGV[2];
  -- What is made of other columns tells nothing.
  before jsonb := CASE WHEN TG_OP IN ('UPDATE', 'DELETE') THEN to_jsonb(OLD) - 'search' END;
  after jsonb := CASE WHEN TG_OP IN ('UPDATE', 'INSERT') THEN to_jsonb(NEW) - 'search' END;
  acting constant text := current_setting('ollamamax.user_id', true);
  changed text[];
BEGIN
  IF TG_OP = 'UPDATE' THEN
    changed := ARRAY(SELECT key FROM jsonb_each(after - ignored) AS parts (key, part) WHERE part IS DISTINCT FROM before -> key);
    IF changed = '{}' THEN RETURN NULL; END IF;
    before := (SELECT jsonb_object_agg(key, part) FROM jsonb_each(before) AS parts (key, part) WHERE key = ANY (named || changed));
    after := (SELECT jsonb_object_agg(key, part) FROM jsonb_each(after) AS parts (key, part) WHERE key = ANY (named || changed));
  END IF;
  IF coalesce(after, before) ->> 'name' = ANY (TG_ARGV[3]::text[]) THEN hidden := '{}'; END IF;
  INSERT INTO audit_log (table_name, operation, old_values, new_values, user_id)
  VALUES (TG_TABLE_NAME, TG_OP, audit_hide(before, hidden, 0), audit_hide(after, hidden, 0),
    -- Whatever stands there, a change is never refused for it.
    CASE WHEN acting ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN acting::uuid END);
  RETURN NULL;
END
$$;

CREATE TRIGGER models_audit AFTER INSERT OR UPDATE OR DELETE ON models
  FOR EACH ROW EXECUTE FUNCTION audit('{id,name}', '{updated_at,accessed_at}', '{}', '{}');
CREATE TRIGGER users_audit AFTER INSERT OR UPDATE OR DELETE ON users
  FOR EACH ROW EXECUTE FUNCTION audit('{id,username}', '{updated_at,last_login}', '{password_hash}', '{}');
CREATE TRIGGER api_keys_audit AFTER INSERT OR UPDATE OR DELETE ON api_keys
  FOR EACH ROW EXECUTE FUNCTION audit('{id,user_id,name}', '{last_used}', '{key_hash}', '{}');
-- Of a JWK that should not have been stored the private half would be in it.
CREATE TRIGGER signing_keys_audit AFTER INSERT OR UPDATE OR DELETE ON signing_keys
  FOR EACH ROW EXECUTE FUNCTION audit('{id,node_id}', '{}', '{public_jwk}', '{}');
-- The cluster's keys are settings, and so may later secrets be: a setting is open when it is named here.
CREATE TRIGGER cluster_settings_audit AFTER INSERT OR UPDATE OR DELETE ON cluster_settings
  FOR EACH ROW EXECUTE FUNCTION audit('{name}', '{updated_at}', '{value}', '{denied_nodes}');

CREATE TRIGGER nodes_audit AFTER INSERT OR DELETE ON nodes
  FOR EACH ROW EXECUTE FUNCTION audit('{}', '{}', '{}', '{}');
-- Each node writes its row every few seconds, and the condition costs that less than a call.
CREATE TRIGGER nodes_audit_update AFTER UPDATE ON nodes FOR EACH ROW
  WHEN ((OLD.id, OLD.peer_id, OLD.name, OLD.region, OLD.zone, OLD.version, OLD.status)
    IS DISTINCT FROM (NEW.id, NEW.peer_id, NEW.name, NEW.region, NEW.zone, NEW.version, NEW.status))
  EXECUTE FUNCTION audit('{id,peer_id,name}',
    '{address,port,multiaddrs,api_url,capabilities,resources,incarnation,last_heartbeat,updated_at}', '{}', '{}');

CREATE TRIGGER models_audit_truncate AFTER TRUNCATE ON models EXECUTE FUNCTION audit('{}', '{}', '{}', '{}');
CREATE TRIGGER nodes_audit_truncate AFTER TRUNCATE ON nodes EXECUTE FUNCTION audit('{}', '{}', '{}', '{}');
CREATE TRIGGER users_audit_truncate AFTER TRUNCATE ON users EXECUTE FUNCTION audit('{}', '{}', '{}', '{}');
CREATE TRIGGER api_keys_audit_truncate AFTER TRUNCATE ON api_keys EXECUTE FUNCTION audit('{}', '{}', '{}', '{}');
CREATE TRIGGER signing_keys_audit_truncate AFTER TRUNCATE ON signing_keys EXECUTE FUNCTION audit('{}', '{}', '{}', '{}');
CREATE TRIGGER cluster_settings_audit_truncate AFTER TRUNCATE ON cluster_settings EXECUTE FUNCTION audit('{}', '{}', '{}', '{}');
