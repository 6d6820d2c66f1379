# shellcheck shell=bash
#
# What is built from Go modules, once, into the cache: a folder for each version of the sources, so that nothing is built again while nothing changes.

HELM_VERSION=v3.21.4

# in_cache FOLDER FILE BUILDER prints CACHE/FOLDER/FILE. If it is not there, BUILDER is called with the new folder to fill; callers at the same
# moment wait for the first.
in_cache() {
  local folder=$CACHE/$1 file=$CACHE/$1/$2 builder=$3
  if [[ ! -x $file ]]; then
    mkdir -p "$CACHE" || die "cannot make the folder for built binaries, $CACHE: set MILLRACE_CACHE to one that can be written"
    (
      flock 8
      if [[ -x $file ]]; then exit; fi
      rm -rf "$folder.new"
      mkdir "$folder.new"
      "$builder" "$folder.new" >&2
      rm -rf "$folder"
      mv "$folder.new" "$folder"
      forget_old_builds
    ) 8>"$folder.lock" 9>&-
  fi
  touch -c "$folder" 2>/dev/null || true
  printf '%s\n' "$file"
}

# Each change of the sources leaves 140 MB behind. in_cache marks a folder at each use.
forget_old_builds() {
  find "$CACHE" -mindepth 1 -maxdepth 1 -name '*-*' ! -name '*.lock' -mtime +30 -exec rm -rf {} +
}

hash_of() { cat -- "$@" | sha256sum | cut -c1-16; }

need_binary() {
  if [[ -z ${BIN:-} ]]; then
    BIN=$(in_cache "cluster-$(cd "$HERE" && hash_of go.mod go.sum ./*.go)" millrace-cluster build_cluster)
  fi
}

kstatus_binary() { in_cache "kstatus-$(cd "$HERE/kstatus" && hash_of go.mod go.sum ./*.go)" kstatus build_kstatus; }

helm_binary() { in_cache "helm-$HELM_VERSION-$(kubernetes_version)" helm build_helm; }

kubernetes_version() { awk '$1 == "k8s.io/kubernetes" { print $2 }' "$HERE/go.mod"; }

need_go() {
  # Where Go's own installation instructions put it, for users whose PATH lacks it.
  command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
  command -v go >/dev/null || die "Go is missing: install Go 1.26 or newer and put it on PATH"
}

build_cluster() {
  local version package flags='-s -w'
  need_go
  version=$(kubernetes_version)
  # Without these the components call themselves v0.0.0, which clients fail to parse.
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$(minor_of "$version")"
  done
  say "building Kubernetes $version, 5 to 10 minutes the first time on two cores"
  (cd "$HERE" && go_build "$1/millrace-cluster" "$flags")
  ln -s millrace-cluster "$1/kubectl"
}

build_kstatus() {
  need_go
  say "building kstatus"
  (cd "$HERE/kstatus" && go_build "$1/kstatus" '-s -w')
}

minor_of() { cut -d. -f2 <<<"$1"; }

build_helm() {
  local package flags="-s -w -X helm.sh/helm/v3/internal/version.version=$HELM_VERSION"
  need_go
  # The Kubernetes that `helm template` and `helm lint` think of when there is no cluster to ask; without these 1.20.
  for package in helm.sh/helm/v3/pkg/chartutil helm.sh/helm/v3/pkg/lint/rules; do
    flags+=" -X $package.k8sVersionMajor=1 -X $package.k8sVersionMinor=$(minor_of "$(kubernetes_version)")"
  done
  say "building Helm $HELM_VERSION, 2 minutes the first time on two cores"
  (cd / && GOBIN=$1 run_go install -trimpath -v -ldflags "$flags" "helm.sh/helm/v3/cmd/helm@$HELM_VERSION")
}

go_build() { run_go build -v -trimpath -buildvcs=false -ldflags "$2" -o "$1" .; }

# run_go: go without what the user's environment says about modules, and without a C compiler, which a machine may lack; with a
# sign of life for every 200 packages built, and the other lines it prints (downloads aside) only when it fails.
run_go() {
  local log
  log=$(mktemp)
  if CGO_ENABLED=0 GOWORK=off GOFLAGS='' go "$@" 2>&1 | tee "$log" | awk '!/ / && ++n % 200 == 0 { print "cluster:   " n " packages"; fflush() }'; then
    rm -f "$log"
  else
    grep -v '^go: downloading ' "$log" | tail -n 30 || true
    rm -f "$log"
    die "\`go $1\` failed; its last lines are above"
  fi
}
