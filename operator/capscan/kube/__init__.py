"""The Kubernetes API as capscan uses it.

How the cluster is reached: `config.py` finds it, `kubeconfig.py` reads and merges the files,
`credentials.py` makes of an entry what a connection needs (with `exec_plugin.py`, `oidc.py` and
`proxies.py`), `login.py` keeps that fresh, and `session.py` opens connections, for kopf too.

From the inside out: `transport.py` sends one request, `patience.py` tries it again, `client.py` has
the verbs. On these stand the CRDs (`crds.py`, `crd_watch.py`), the status of capscan's own objects
(`status.py`), Events (`events.py`) and Secrets (`secrets.py`). Capability objects are in
`capscan.store`. A client for Leases (coordination.k8s.io) would be one more file here, `lease.py`;
what a lease starts and stops is put together in `capscan.app`.
"""
