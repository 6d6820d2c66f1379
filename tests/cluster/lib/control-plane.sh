# shellcheck shell=bash
#
# etcd, kube-apiserver, kube-controller-manager and kube-scheduler: their files, flags and ports.

# port_of COMPONENT: ten ports belong to each slot (slot.go).
port_of() {
  local offset
  case $1 in
    kube-apiserver) offset=0 ;;
    etcd) offset=1 ;;
    etcd-peer) offset=2 ;;
    kube-controller-manager) offset=3 ;;
    kube-scheduler) offset=4 ;;
    kubelet) offset=5 ;;
    kubelet-healthz) offset=6 ;;
    containerd) offset=7 ;; # of its metrics; containers are asked for on a socket
    kubernetes-service) echo 443 && return ;;
  esac
  echo $((20000 + SLOT * 10 + offset))
}

# url_of COMPONENT: where it answers 200 when it is ready.
url_of() {
  local port
  port=$(port_of "$1")
  case $1 in
    etcd) echo "http://127.0.0.1:$port/health" ;;
    kube-apiserver) echo "https://127.0.0.1:$port/readyz" ;;
    kube-controller-manager | kube-scheduler) echo "https://127.0.0.1:$port/healthz" ;;
    containerd) echo "http://127.0.0.1:$port/v1/metrics" ;;
    kubelet) echo "http://127.0.0.1:$(port_of kubelet-healthz)/healthz" ;;
    kubernetes-service) echo "https://$(service_ip):443/readyz" ;;
  esac
}

# Addresses of pods and Services come from 198.18.0.0/15, which is set aside for tests of networks: nobody's own network is hidden by them.
pod_network() { echo "198.18.$SLOT.0/24"; }
service_network() { echo "198.19.$SLOT.0/24"; }
service_ip() { echo "198.19.$SLOT.1"; } # the API server takes the first one for the Service `kubernetes`

# prepare_control_plane writes what all components share. The keys and tokens stay what they are for the life of the data folder.
prepare_control_plane() {
  if [[ ! -d $DATA/pki ]]; then "$BIN" credentials "$DATA/pki" "$(service_ip)" 9>&-; fi
  write_kubeconfig admin "$KUBECONFIG_FILE"
  mkdir -p "$DATA/users"
  local user
  for user in alice bob system:kube-controller-manager system:kube-scheduler system:node:localhost; do
    write_kubeconfig "$user" "$(kubeconfig_of "$user")"
  done
}

kubeconfig_of() { echo "$DATA/users/${1##*:}.kubeconfig"; }

# write_kubeconfig USER FILE
write_kubeconfig() {
  (umask 077 && cat >"$2") <<END
apiVersion: v1
kind: Config
current-context: millrace-$NAME
contexts: [{name: millrace-$NAME, context: {cluster: millrace-$NAME, user: "$1"}}]
clusters:
- name: millrace-$NAME
  cluster:
    server: https://127.0.0.1:$(port_of kube-apiserver)
    certificate-authority-data: $(base64 -w0 "$DATA/pki/ca.crt")
users: [{name: "$1", user: {token: $(awk -F, -v user="$1" '$2 == user { print $1 }' "$DATA/pki/tokens.csv")}}]
END
}

argv_etcd() {
  local client peer
  client=http://127.0.0.1:$(port_of etcd)
  peer=http://127.0.0.1:$(port_of etcd-peer)
  ARGV=(
    "$BIN" etcd --data-dir="$DATA/etcd" --log-level=warn
    --listen-client-urls="$client" --advertise-client-urls="$client"
    --listen-peer-urls="$peer" --initial-advertise-peer-urls="$peer" --initial-cluster="default=$peer"
  )
  if [[ -f $DATA/no-fsync ]]; then ARGV+=(--unsafe-no-fsync); fi
}

argv_kube_apiserver() {
  local pki=$DATA/pki
  # shellcheck disable=SC2054 # the commas are inside one argument
  ARGV=(
    "$BIN" kube-apiserver --etcd-servers="http://127.0.0.1:$(port_of etcd)"
    --bind-address=127.0.0.1 --secure-port="$(port_of kube-apiserver)" --external-hostname=localhost
    # An Endpoints object may not name 127.0.0.1. The Service is there all the same.
    --endpoint-reconciler-type=none
    # Close watches on SIGTERM. By default each that a client keeps open holds up the end, for a minute.
    --shutdown-watch-termination-grace-period=2s
    --tls-cert-file="$pki/server.crt" --tls-private-key-file="$pki/server.key"
    --client-ca-file="$pki/ca.crt" --token-auth-file="$pki/tokens.csv" --authorization-mode=Node,RBAC
    --service-account-issuer=https://kubernetes.default.svc.cluster.local
    --service-account-key-file="$pki/service-accounts.pub" --service-account-signing-key-file="$pki/service-accounts.key"
    --service-cluster-ip-range="$(service_network)" --allow-privileged=true
    # For logs and exec: the node is named localhost, where its kubelet listens.
    --kubelet-preferred-address-types=Hostname --kubelet-certificate-authority="$pki/ca.crt"
    --kubelet-client-certificate="$pki/kubelet-client.crt" --kubelet-client-key="$pki/kubelet-client.key"
  )
}

argv_kube_controller_manager() {
  local pki=$DATA/pki
  # shellcheck disable=SC2054 # the commas are inside one argument
  ARGV=(
    "$BIN" kube-controller-manager --kubeconfig="$(kubeconfig_of system:kube-controller-manager)"
    --bind-address=127.0.0.1 --secure-port="$(port_of kube-controller-manager)"
    --tls-cert-file="$pki/server.crt" --tls-private-key-file="$pki/server.key"
    --service-account-private-key-file="$pki/service-accounts.key" --root-ca-file="$pki/ca.crt" --use-service-account-credentials=true
    --leader-elect=false '--controllers=*,-nodeipam'
    # The defaults (20 a second, bursts of 30) would make a test of a hundred Jobs a test of this limit.
    --kube-api-qps=300 --kube-api-burst=600
  )
}

argv_kube_scheduler() {
  local pki=$DATA/pki
  cat >"$DATA/kube-scheduler.yaml" <<END
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection: {leaderElect: false}
clientConnection: {kubeconfig: "$(kubeconfig_of system:kube-scheduler)", qps: 300, burst: 600}
END
  ARGV=(
    "$BIN" kube-scheduler --config="$DATA/kube-scheduler.yaml"
    --bind-address=127.0.0.1 --secure-port="$(port_of kube-scheduler)"
    --tls-cert-file="$pki/server.crt" --tls-private-key-file="$pki/server.key"
  )
}

# What is still to do once a component is ready, and before it is called so.
then_etcd() { :; }
then_kube_apiserver() { :; }
then_kube_scheduler() { :; }
# Without this account the API server refuses every pod.
then_kube_controller_manager() { "$BIN" kubectl --kubeconfig "$KUBECONFIG_FILE" wait --for=create serviceaccount/default --timeout=60s; }
