//! What is different on the managed services.

use serde_json::{Value, json};

/// A managed Kubernetes service.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Provider {
    /// Amazon Elastic Kubernetes Service, with the AWS load balancer controller and the EBS CSI driver.
    Eks,
    /// Azure Kubernetes Service.
    Aks,
    /// Google Kubernetes Engine.
    Gke,
}

impl Provider {
    /// Name of the storage class that volumes of this map use.
    pub(super) const fn storage_class_name(self) -> &'static str {
        match self {
            Self::Eks => "ecosystem-gp3",
            Self::Aks => "managed-csi-premium",
            Self::Gke => "premium-rwo",
        }
    }

    /// The storage class itself where the service does not come with one: EKS has no gp3 class.
    pub(super) fn storage_class(self) -> Option<Value> {
        (self == Self::Eks).then(|| {
            json!({
                "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
                "metadata": { "name": self.storage_class_name() },
                "provisioner": "ebs.csi.aws.com",
                "parameters": { "type": "gp3", "encrypted": "true" },
                "allowVolumeExpansion": true,
                "volumeBindingMode": "WaitForFirstConsumer",
            })
        })
    }

    /// Nodes that work belongs on: on-demand, user pool, not a spot machine.
    pub(super) fn node_selector(self) -> Value {
        match self {
            Self::Eks => json!({ "eks.amazonaws.com/capacityType": "ON_DEMAND" }),
            Self::Aks => json!({ "kubernetes.azure.com/mode": "user" }),
            Self::Gke => json!({ "cloud.google.com/gke-provisioning": "standard" }),
        }
    }

    /// A network load balancer that is open to the internet.
    pub(super) fn balancer_annotations(self) -> Value {
        match self {
            Self::Eks => json!({
                "service.beta.kubernetes.io/aws-load-balancer-type": "external",
                "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type": "ip",
                "service.beta.kubernetes.io/aws-load-balancer-scheme": "internet-facing",
            }),
            Self::Aks => json!({ "service.beta.kubernetes.io/azure-load-balancer-internal": "false" }),
            Self::Gke => json!({ "cloud.google.com/l4-rbs": "enabled" }),
        }
    }
}
