"""etcd and kube-apiserver on this machine, for the demo and the tests: no containers, no nodes.

`plane.py` is the way in: `Plane(folder).up()`. `programs.py` says where the programs come from,
`servers.py` how each is started, `ownership.py` and `sums.py` whether others may have changed what
is executed, `processes.py` how one is recognised and stopped later, and
`crd_modules.py` brings real projects' CRDs. Nothing here knows the operator.
"""
