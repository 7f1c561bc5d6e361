/** What runs on the pool, by the name that metrics and the log show for it: known here, so that there are never more. */
export type StatementName =
  | "ping"
  | "cluster_keys"
  | "denied_nodes"
  | "live_peers"
  | "node_write"
  | "node_mark"
  | "node_statuses"
  | "replicas_write"
  | "lease_acquire"
  | "lease_renew"
  | "lease_release"
  | "models_page"
  | "nodes_page"
  | "replicas_page"
  | "requests_page"
  | "audit_page"
  | "history_write";
