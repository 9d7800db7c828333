"""A Ray cluster of small nodes on this machine: ``python clusters.py [FOLDER]`` prints its address.

The head has one core; every line of standard input starts (``add``) or kills (``kill``) a node with
one more. With a folder, nodes that are added do not see it, but one of their own in its place.
"""

import os
import subprocess
import sys

from ray.cluster_utils import Cluster

SMALL = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
HIDE = """mount -t tmpfs none "$1" &&
    exec "$2" -m ray.scripts.scripts start --block --num-cpus 1 --address "$3" """


def main():
    os.environ.update(RAY_worker_niceness="0")  # else whatever else runs here goes before it
    hidden = sys.argv[1] if len(sys.argv) > 1 else None
    cluster = Cluster(initialize_head=True, head_node_args=SMALL)
    apart = []
    print(cluster.address, flush=True)
    for line in sys.stdin:
        if line.strip() == "kill":
            cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
        elif hidden is None:
            cluster.add_node(**SMALL)
        else:
            shut = ["unshare", "--mount", "sh", "-c", HIDE, "sh", hidden, sys.executable]
            apart.append(subprocess.Popen([*shut, cluster.address], stdout=2))
        print("done", flush=True)
    for process in apart:
        process.terminate()
        process.wait()
    for node in list(cluster.worker_nodes):
        cluster.remove_node(node, allow_graceful=False)
    cluster.remove_node(cluster.head_node, allow_graceful=False)


if __name__ == "__main__":
    main()
