#!/usr/bin/env bash
# Builds a Kubernetes control plane with simulated kubelets (kube-apiserver, kube-scheduler, kube-controller-manager, kubemark)
# from Debian's source package, which carries everything that it depends on: about six minutes of processor time, 3 GB of scratch.
#   scripts/control_plane.sh DIR       then: ECO_K8S=DIR cargo test --manifest-path adapters/Cargo.toml -p ecosystem-kubernetes --test real
# Needs golang-go, golang-github-modern-go-reflect2-dev and the names of the Debian mirrors in /etc/apt/sources.list.d/debian.sources.
set -euo pipefail
into=$(mkdir -p "${1:?expected the directory for the programs}" && cd "$1" && pwd)
scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch" && rm -rf "$scratch"' EXIT
cd "$scratch"

mkdir -p sources lists/partial src go/src/k8s.io
sed 's/^Types: deb$/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >sources/src.sources
apt=(apt-get -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$PWD/sources" -o "Dir::State::lists=$PWD/lists"
  -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=)
"${apt[@]}" update -qq
"${apt[@]}" source -qq --download-only kubernetes
tar -xzf kubernetes_*.orig.tar.gz -C src --strip-components=1
ln -s "$PWD/src" go/src/k8s.io/kubernetes

# The version inside crashes with a newer Go.
inside=src/vendor/github.com/modern-go/reflect2
rm -f "$inside"/*.go "$inside"/*.s
cp /usr/share/gocode/src/github.com/modern-go/reflect2/*.{go,s} "$inside"

export GOPATH=$PWD/go GOCACHE=$PWD/cache GO111MODULE=off GOFLAGS='' GOPROXY=off CGO_ENABLED=0
cd go/src/k8s.io/kubernetes
# The only generated file that the source package lacks.
go build -o "$scratch/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
packages=$(grep -rl --include=*.go -E '^// \+k8s:openapi-gen=' cmd pkg staging/src/k8s.io |
  grep -v -E 'testdata|_examples|sample-|code-generator' | xargs -n1 dirname | sort -u |
  sed 's#^staging/src/#k8s.io/kubernetes/vendor/#; t; s#^#k8s.io/kubernetes/#' | paste -sd,)
"$scratch/openapi-gen" -i "$packages" -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
  -h hack/boilerplate/boilerplate.generatego.txt -r "$scratch/violations"
go build -ldflags '-s -w' -o "$into/" ./cmd/kube-apiserver ./cmd/kube-scheduler ./cmd/kube-controller-manager ./cmd/kubemark
ls -l "$into"
