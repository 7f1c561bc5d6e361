-- What pages of long lists need.

-- Postgres's parser takes a reference such as registry.ollama.ai/library/llama3.2:1b for one URL, so that nobody who searches
-- for llama finds it. Without punctuation it is words.
CREATE FUNCTION model_words(name text, description text) RETURNS tsvector
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN to_tsvector('simple'::regconfig, translate(name || ' ' || coalesce(description, ''),
    E'!"#$%&''()*+,-./:;<=>?@[\\]^_`{|}~', repeat(' ', 32)));
CREATE INDEX models_words ON models USING gin (model_words(name, description));

CREATE INDEX inference_requests_latest ON inference_requests (created_at, id);
CREATE INDEX audit_log_latest ON audit_log ("timestamp", id);
