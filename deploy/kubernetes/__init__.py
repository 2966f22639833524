"""The manifests of Kubernetes, once: a kustomize base with its components, and a Helm chart, are both written from here.

`python -m deploy.kubernetes write` writes what lies in deploy/k8s/base, deploy/k8s/components and deploy/helm; `check` compares.
"""
