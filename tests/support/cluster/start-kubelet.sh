# Starts the kubelet of one node once its containerd answers and has the image of the pods' first container.
# usage: start-kubelet.sh SOCKET IMAGE KUBELET [argument]...
socket=$1
image=$2
shift 2
until ctr --address "$socket" version >/dev/null 2>&1; do
    sleep 0.1
done
ctr --address "$socket" --namespace k8s.io images import "$image" || exit 1
exec "$@"
