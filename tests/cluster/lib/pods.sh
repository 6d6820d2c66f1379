# shellcheck shell=bash
#
# What real pods need besides the control plane: Debian's containerd with its network and images, the kubelet, and the way from pods to the API
# server. All of it needs root.

readonly PAUSE_IMAGE=millrace.test/pause:1
readonly BUSYBOX_IMAGE=millrace.test/busybox:1
# What people write for it: nothing can be pulled here, and examples are for other clusters too.
readonly BUSYBOX_ALIAS=docker.io/library/busybox:1.37

# require_pods refuses what cannot work.
require_pods() {
  ((EUID == 0)) || die "--pods needs root, for containerd and the kubelet; without it, \`cluster up\` starts the API server alone"
  [[ $DATA =~ ^[A-Za-z0-9/._-]{1,65}$ ]] ||
    die "--pods: \`$DATA\` cannot be the data folder: mounts and sockets below it allow at most 65 plain characters. Set MILLRACE_CLUSTER_DIR to a shorter folder"
}

install_packages() {
  local missing log
  mapfile -t missing < <(missing_packages)
  if ((${#missing[@]} == 0)); then return; fi
  has apt-get || die "--pods needs these Debian packages, or what they hold: ${missing[*]}"
  say "installing ${missing[*]}"
  log=$(mktemp)
  if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "cannot install ${missing[*]}: the last lines of apt-get are above"
  fi
  rm -f "$log"
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]} == 0)) || die "installed, but still not found: what these packages hold: ${missing[*]}"
}

has() { command -v "$1" >/dev/null; }

missing_packages() {
  if ! has containerd || ! has ctr || ! has containerd-shim-runc-v2; then echo containerd; fi
  if ! has runc; then echo runc; fi
  if ! has ip; then echo iproute2; fi
  # The package busybox has a dynamic one at the same place.
  if [[ ! -x /bin/busybox ]] || ldd /bin/busybox >/dev/null 2>&1; then echo busybox-static; fi
  if [[ -z $(cni_folder) ]]; then echo containernetworking-plugins; fi
}

cni_folder() {
  local folder
  for folder in /usr/lib/cni /opt/cni/bin; do
    if [[ -x $folder/bridge && -x $folder/host-local && -x $folder/loopback ]]; then echo "$folder" && return; fi
  done
}

bridge() { echo "millrace$SLOT"; }
node_ip() { echo "198.18.$SLOT.1"; }
has_bridge() { ip link show "$(bridge)" >/dev/null 2>&1; }

# prepare_network: a bridge of our own, with the machine as its first address, and on it the address of the Service `kubernetes`. Pods reach each
# other and the API server, and nothing outside the machine. The bridge is made here, not by the plugin, which would turn the machine into a router.
# Where the kernel refuses, pods with their own network stay ContainerCreating, and those with hostNetwork run.
prepare_network() {
  local plugin device
  if has_bridge || makes_bridges && ip link add "$(bridge)" type bridge; then
    device=$(bridge)
    # Again even when the bridge is there: an earlier start may have been interrupted right after it was made.
    ip address replace "$(node_ip)/24" dev "$device"
    ip link set "$device" up
    plugin='"type": "bridge", "bridge": "'$device'", "ipam": {"type": "host-local", "dataDir": "'$DATA'/cni/addresses",
    "ranges": [[{"subnet": "'$(pod_network)'", "gateway": "'$(node_ip)'"}]], "routes": [{"dst": "0.0.0.0/0"}]}'
  else
    say "this kernel makes no bridge and veth pairs: only pods with hostNetwork will run"
    device=lo
    plugin='"type": "loopback"'
  fi
  ip address replace "$(service_ip)/32" dev "$device"
  mkdir -p "$DATA/cni/conf"
  printf '{"cniVersion": "0.4.0", "name": "millrace-%s", "plugins": [{%s}]}\n' "$SLOT" "$plugin" >"$DATA/cni/conf/millrace.conflist"
}

makes_bridges() {
  local try
  try=$(bridge)
  { ip link add "${try}t" type bridge && ip link delete "${try}t" && ip link add "${try}t" type veth peer name "${try}u" && ip link delete "${try}t"; } 2>/dev/null
}

cgroup_mounts() { awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/self/mounts | sort -u; }

# prepare_cgroups: a cgroup for all pods of this cluster. A kubelet ends what it does not know in its cgroup, so two must not share one; and what
# is in it at the end is ours to end.
prepare_cgroups() {
  local mount controller
  for mount in $(cgroup_mounts); do
    if [[ -f $mount/cgroup.subtree_control ]]; then
      # Version 2: a child has only the controllers that its parent hands on. What cannot be handed on, the kubelet will name.
      for controller in cpu cpuset hugetlb memory pids; do
        echo "+$controller" 2>/dev/null >"$mount/cgroup.subtree_control" || true
      done
    fi
    mkdir -p "$mount/$(bridge)"
  done
}

snapshotter() {
  local try=$DATA/containerd/try
  mkdir -p "$try/"{lower,upper,work,merged}
  if mount -t overlay overlay -o "lowerdir=$try/lower,upperdir=$try/upper,workdir=$try/work" "$try/merged" 2>/dev/null; then
    umount "$try/merged"
    echo overlayfs
  else
    echo native # copies whole images; for a data folder that is on an overlay itself
  fi
  rm -rf "$try"
}

argv_containerd() {
  local home=$DATA/containerd
  mkdir -p "$home"
  prepare_network
  prepare_cgroups
  cat >"$home/config.toml" <<END
version = 2
root = "$home/root"
state = "$home/state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.tracing", "io.containerd.nri.v1.nri"]
[grpc]
address = "$home/containerd.sock"
[metrics]
address = "127.0.0.1:$(port_of containerd)"
[plugins."io.containerd.internal.v1.opt"]
path = "$home/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "$PAUSE_IMAGE"
stream_server_address = "127.0.0.1"
netns_mounts_under_state_dir = true
# Where we may not lower the score against the out-of-memory killer, runc would die of trying: "can't get final child's PID from pipe".
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "$(cni_folder)"
conf_dir = "$DATA/cni/conf"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "$(snapshotter)"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
Root = "$home/runc"
END
  ARGV=(containerd --config "$home/config.toml" --log-level warn)
}

containerd_ctr() { ctr --address "$DATA/containerd/containerd.sock" --namespace k8s.io "$@"; }

then_containerd() {
  local images=$DATA/containerd/images present
  present=$(containerd_ctr images ls -q) || return
  if [[ $present == *"$PAUSE_IMAGE"* && $present == *"$BUSYBOX_IMAGE"* && $present == *"$BUSYBOX_ALIAS"* ]]; then return; fi
  mkdir -p "$images" &&
    "$BIN" image -command 'sleep 2147483647' "$images/pause.tar" "$PAUSE_IMAGE" &&
    "$BIN" image "$images/busybox.tar" "$BUSYBOX_IMAGE" &&
    containerd_ctr images import "$images/pause.tar" &&
    containerd_ctr images import "$images/busybox.tar" &&
    containerd_ctr images tag --force "$BUSYBOX_IMAGE" "$BUSYBOX_ALIAS"
}

load_image() {
  [[ -r $1 ]] || die "load-image: \`$1\` cannot be read"
  pid_of containerd >/dev/null || die "load-image: the cluster \`$NAME\` has no containerd: \`cluster up --name $NAME --pods\` starts it"
  local output
  if ! output=$(containerd_ctr images import "$1" 2>&1); then die "load-image: containerd refuses \`$1\`: $output"; fi
  # ctr says "unpacking NAME (DIGEST)...done".
  sed -n 's/^unpacking \([^ ]*\) .*/\1/p' <<<"$output"
}

argv_kubernetes_service() { ARGV=("$BIN" forward "$(service_ip):443" "127.0.0.1:$(port_of kube-apiserver)" "$DATA/"); }
then_kubernetes_service() { :; }

argv_kubelet() {
  local home=$DATA/kubelet
  mkdir -p "$home" "$DATA/logs/pods"
  cat >"$home/config.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 127.0.0.1
port: $(port_of kubelet)
readOnlyPort: 0
healthzBindAddress: 127.0.0.1
healthzPort: $(port_of kubelet-healthz)
tlsCertFile: "$DATA/pki/server.crt"
tlsPrivateKeyFile: "$DATA/pki/server.key"
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: "$DATA/pki/ca.crt"}}
authorization: {mode: Webhook}
containerRuntimeEndpoint: "unix://$DATA/containerd/containerd.sock"
# Nothing outside the data folder, as far as the kubelet lets us choose.
podLogsDir: "$DATA/logs/pods"
volumePluginDir: "$home/volume-plugins"
cgroupRoot: "/$(bridge)"
cgroupDriver: cgroupfs
failCgroupV1: false
# There is no DNS in here; without an address the kubelet would record that for every pod. Nothing listens on this one, so look-ups fail at once.
clusterDNS: ["$(node_ip)"]
clusterDomain: cluster.local
enforceNodeAllocatable: []
# Machines for tests may have swap, no packet filter, no file system that can be asked for its size, little room, and no right to shield a process
# from the out-of-memory killer.
failSwapOn: false
makeIPTablesUtilChains: false
localStorageCapacityIsolation: false
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 50Mi}
oomScoreAdj: 0
# The defaults (50 a second) would make a test of a hundred pods a test of this limit.
kubeAPIQPS: 300
kubeAPIBurst: 600
eventRecordQPS: 0
END
  ARGV=(
    "$BIN" kubelet --config="$home/config.yaml" --kubeconfig="$(kubeconfig_of system:node:localhost)"
    --root-dir="$home" --cert-dir="$home/pki" --hostname-override=localhost
  )
  # Otherwise the kubelet takes the address of the default route, which a machine without a network lacks.
  if has_bridge; then ARGV+=(--node-ip="$(node_ip)"); fi
}

then_kubelet() {
  "$BIN" kubectl --kubeconfig "$KUBECONFIG_FILE" wait --for=create node/localhost --timeout=60s &&
    "$BIN" kubectl --kubeconfig "$KUBECONFIG_FILE" wait --for=condition=Ready node/localhost --timeout=60s
}

# end_containers: every process in our cgroups, and the shims of our containerd, which are in nobody's.
end_containers() {
  if [[ ! -d $DATA/containerd ]]; then return; fi
  local n pids
  for ((n = 0; n < 100; n++)); do
    pids=$(shims; processes_in_cgroups)
    if [[ -z $pids ]]; then return; fi
    # shellcheck disable=SC2086 # one word each
    kill -s KILL $pids 2>/dev/null || true
    sleep 0.1
  done
  die "these processes of containers do not end: ${pids//$'\n'/ }"
}

processes_in_cgroups() {
  local mount
  for mount in $(cgroup_mounts); do
    if [[ -d $mount/$(bridge) ]]; then find "$mount/$(bridge)" -name cgroup.procs -exec cat {} + 2>/dev/null || true; fi
  done | sort -u
}

shims() {
  local process
  for process in /proc/[0-9]*; do
    if [[ $(readlink "$process/exe" 2>/dev/null) == *containerd-shim* ]] && has_argument_below "${process#/proc/}" "$DATA/"; then
      echo "${process#/proc/}"
    fi
  done
}

# clean_up_pods removes what containerd, the kubelet and the network plugins leave in the kernel and outside the data folder.
clean_up_pods() {
  if [[ ! -d $DATA/containerd ]]; then return; fi
  local mount sandbox link socket
  # The last one mounted is the first to go.
  while read -r mount; do
    umount "$mount" 2>/dev/null || umount -l "$mount"
  done < <(awk -v below="$DATA/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo | tac)
  for mount in $(cgroup_mounts); do
    if [[ -d $mount/$(bridge) ]]; then find "$mount/$(bridge)" -depth -type d -exec rmdir {} +; fi
  done
  if has_bridge; then ip link delete "$(bridge)"; fi
  ip address delete "$(service_ip)/32" dev lo 2>/dev/null || true # where there was none
  # What has its place elsewhere, whatever one configures: the shims' sockets, the plugins' memory, links to logs, the socket for device plugins (which
  # the kubelets of all clusters share).
  for socket in "$DATA"/containerd/state/io.containerd.runtime.v2.task/k8s.io/*/address; do
    if [[ -f $socket ]]; then rm -f "$(sed 's,^unix://,,' "$socket")"; fi
  done
  for sandbox in "$DATA"/containerd/root/io.containerd.grpc.v1.cri/sandboxes/*; do
    rm -f "/var/lib/cni/results/"*"-${sandbox##*/}-"*
  done
  for link in /var/log/containers/*.log; do
    if [[ $(readlink "$link") == "$DATA/"* ]]; then rm -f "$link"; fi
  done
  socket=/var/lib/kubelet/device-plugins/kubelet.sock
  if ! grep -qF "$socket" /proc/net/unix; then
    rm -f "$socket"
    rmdir -p "${socket%/*}" 2>/dev/null || true
  fi
}
