//! What EKS Pod Identity says of a pod.

/// The transitive session tags of a pod's session.
pub(crate) const POD: [(&str, &str); 6] = [
    ("eks-cluster-arn", "arn:aws:eks:us-east-1:222222222222:cluster/production"),
    ("eks-cluster-name", "production"),
    ("kubernetes-namespace", "crm"),
    ("kubernetes-service-account", "crm-service"),
    ("kubernetes-pod-name", "crm-7d9c5b8f64-x2x9k"),
    ("kubernetes-pod-uid", "376f3cff-44fe-4a00-b9d4-970555f311d3"),
];
