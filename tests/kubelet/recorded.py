"""What kubelet 1.36.2 said of manifests that it refused: recorded, not invented."""

# ruff: noqa: E501 - the words are kept in one piece

import re


def short(text: str) -> str:
    """A test's id that can be typed: mutmut names tests on a command line."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[-60:]


#: manifest -> what stands in `couldn't parse as pod(…)`
NOT_PODS = {
    "apiVersion: v1\nkind: Pod\nmetadata:\n  name: bad\n spec: [": "yaml: line 4: did not find expected key",
    "apiVersion: v1\nkind: Pod\nmetadata:\n\tname: bad\n": "yaml: line 4: found character that cannot start any token",
    "": "Object 'Kind' is missing in 'null'",
    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: bad}\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: busybox:1.36}]}}}\n": 'no kind "Deployment" is registered for version "apps/v1" in scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"',
    "apiVersion: v1\nkind: PoD\nmetadata: {name: bad}\nspec: {containers: [{name: a, image: busybox:1.36}]}\n": 'no kind "PoD" is registered for version "v1" in scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"',
    "apiVersion: v2\nkind: Pod\nmetadata: {name: bad}\nspec: {containers: [{name: a, image: busybox:1.36}]}\n": 'no kind "Pod" is registered for version "v2" in scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"',
    "apiVersion: v1\nkind: PodList\nitems: []\n": 'invalid pod: &core.PodList{TypeMeta:v1.TypeMeta{Kind:"", APIVersion:""}, ListMeta:v1.ListMeta{SelfLink:"", ResourceVersion:"", Continue:"", RemainingItemCount:(*int64)(nil), ShardInfo:(*v1.ShardInfo)(nil)}, Items:[]core.Pod{}}',
    "not a pod\n": 'couldn\'t get version/kind; json parse error: json: cannot unmarshal string into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }',
    "- a\n- b\n": 'couldn\'t get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }',
    "3\n": 'couldn\'t get version/kind; json parse error: json: cannot unmarshal number into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }',
    "kind: Pod\nmetadata: {name: bad}\nspec: {containers: [{name: a, image: busybox:1.36}]}\n": 'Object \'apiVersion\' is missing in \'{"kind":"Pod","metadata":{"name":"bad"},"spec":{"containers":[{"image":"busybox:1.36","name":"a"}]}}\'',
    "apiVersion: v1\nmetadata: {name: bad}\nspec: {containers: [{name: a, image: busybox:1.36}]}\n": 'Object \'Kind\' is missing in \'{"apiVersion":"v1","metadata":{"name":"bad"},"spec":{"containers":[{"image":"busybox:1.36","name":"a"}]}}\'',
    "apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: {containers: x}\n": "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: {containers: {name: a}}\n": "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: {containers: [{name: a, image: 3}]}\n": "json: cannot unmarshal number into Go struct field Container.spec.containers.image of type string",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: 3}\nspec: {containers: [{name: a, image: busybox:1.36}]}\n": "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: {hostNetwork: 'yes', containers: [{name: a, image: b}]}\n": "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: {terminationGracePeriodSeconds: x, containers: [{name: a, image: b}]}\n": "json: cannot unmarshal string into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type int64",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: {containers: [{name: a, image: b, ports: [{containerPort: '80'}]}]}\n": "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: {containers: [{name: a, image: b, env: [{name: X, value: 3}]}]}\n": "json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: {containers: [{name: a, image: b, env: [{name: X, value: true}]}]}\n": "json: cannot unmarshal bool into Go struct field EnvVar.spec.containers.env.value of type string",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: {containers: [{name: a, image: b, command: sleep}]}\n": "json: cannot unmarshal string into Go struct field Container.spec.containers.command of type []string",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: {containers: [{name: a, image: b, resources: {limits: {memory: 10Q}}}]}\n": "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: bad, labels: {a: 3}}\nspec: {containers: [{name: a, image: busybox:1.36}]}\n": "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
    "apiVersion: v1\nkind: List\nitems: []\n": 'invalid pod: &core.List{TypeMeta:v1.TypeMeta{Kind:"", APIVersion:""}, ListMeta:v1.ListMeta{SelfLink:"", ResourceVersion:"", Continue:"", RemainingItemCount:(*int64)(nil), ShardInfo:(*v1.ShardInfo)(nil)}, Items:[]runtime.Object{}}',
    'apiVersion: v1\nkind: Pod\nmetadata:\n  name: "bad\n': "yaml: line 5: found unexpected end of stream",
    "apiVersion: v1\nkind: Pod\nmetadata:\n  name: bad\n   labels: x\n": "yaml: line 5: mapping values are not allowed in this context",
    "apiVersion: v1\nkind: Pod\nmetadata: *x\n": "yaml: unknown anchor 'x' referenced",
    "apiVersion: v1\nkind: Pod\nmetadata:\n  name: %bad\n": "yaml: line 4: found character that cannot start any token",
    "apiVersion: v1\nkind: @Pod\n": "yaml: line 2: found character that cannot start any token",
    "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a: b\n": "yaml: line 4: mapping values are not allowed in this context",
    "\x01\x02": "yaml: control characters are not allowed",
    '{"apiVersion": "v1", "kind": "Pod"': "couldn't get version/kind; json parse error: unexpected end of JSON input",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: {restartPolicy: 3, containers: [{name: a, image: b}]}\n": "json: cannot unmarshal number into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy",
    "apiVersion: v1\nkind: Pod\nmetadata: x\nspec: {containers: [{name: a, image: busybox:1.36}]}\n": "json: cannot unmarshal string into Go struct field Pod.metadata of type v1.ObjectMeta",
    "apiVersion: v1\r\nkind: Pod\r\nmetadata: {name: bad}\r\nspec: {containers: [{name: a, image: 3}]}\n": "json: cannot unmarshal number into Go struct field Container.spec.containers.image of type string",
}

#: spec -> what stands in `invalid pod: […]`
NOT_VALID = {
    "{}": "spec.containers: Required value",
    "{containers: [{name: a}]}": "spec.containers[0].image: Required value",
    "{containers: [{name: a, image: busybox:1.36}, {name: a, image: busybox:1.36}]}": 'spec.containers[1].name: Duplicate value: "a"',
    "{containers: [{name: a, image: busybox:1.36, volumeMounts: [{name: v, mountPath: /v}]}]}": 'spec.containers[0].volumeMounts[0].name: Not found: "v"',
    "{ephemeralContainers: [{name: e, image: busybox:1.36}], containers: [{name: a, image: busybox:1.36}]}": "spec.ephemeralContainers: Forbidden: cannot be set on create",
    "{restartPolicy: Sometimes, containers: [{name: a, image: busybox:1.36}]}": 'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
    "{containers: [{name: a, image: b, ports: [{containerPort: 0}]}]}": "spec.containers[0].ports[0].containerPort: Required value",
    "{containers: [{name: a, image: b, ports: [{containerPort: 70000}]}]}": "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
    "{containers: [{name: a, image: b, volumeMounts: [{name: v, mountPath: ''}]}], volumes: [{name: v, emptyDir: {}}]}": "spec.containers[0].volumeMounts[0].mountPath: Required value",
    "{containers: [{image: b}]}": "spec.containers[0].name: Required value",
    "{containers: [{name: A_b, image: b}]}": "spec.containers[0].name: Invalid value: \"A_b\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    "{containers: [{name: a, image: b, imagePullPolicy: Sometimes}]}": 'spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"',
    "{containers: [{name: a, image: b}], volumes: [{name: v, emptyDir: {}, hostPath: {path: /x}}]}": "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
    "{containers: [{name: a, image: b}], volumes: [{name: v, emptyDir: {}},{name: v, emptyDir: {}}]}": 'spec.volumes[1].name: Duplicate value: "v"',
    "{containers: [{name: a, image: b}], volumes: [{name: v, hostPath: {path: /x, type: Nope}}]}": 'spec.volumes[0].hostPath.type: Unsupported value: "Nope": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"',
    "{containers: [{name: a, image: b}], volumes: [{name: v, hostPath: {path: /x/../y}}]}": "spec.volumes[0].hostPath.path: Invalid value: \"/x/../y\": must not contain '..'",
    "{containers: [{name: a, image: b}], volumes: [{name: v, hostPath: {path: ''}}]}": "spec.volumes[0].hostPath.path: Required value",
    "{containers: [{name: a, image: b, livenessProbe: {periodSeconds: 1}}]}": "spec.containers[0].livenessProbe: Required value: must specify a handler type",
    "{containers: [{name: a, image: b, livenessProbe: {exec: {command: [x]}, tcpSocket: {port: 1}}}]}": "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
    "{containers: [{name: a, image: b, livenessProbe: {exec: {command: [x]}, successThreshold: 2}}]}": "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
    "{containers: [{name: a, image: b}], volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: t}}]}}]}": "spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set",
    "{containers: [{name: a, image: b, env: [{name: '', value: x}]}]}": "spec.containers[0].env[0].name: Required value",
    "{hostNetwork: true, containers: [{name: a, image: b, ports: [{containerPort: 80, hostPort: 81}]}]}": "spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true",
    "{containers: [{name: a, image: b, resources: {limits: {cpu: 1}, requests: {cpu: 2}}}]}": 'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
    "{hostNetwork: true, hostUsers: false, containers: [{name: a, image: b}]}": "spec.hostNetwork: Forbidden: when `hostUsers` is false",
    "{initContainers: [{name: a, image: b}], containers: [{name: a, image: b}]}": 'spec.initContainers[0].name: Duplicate value: "a"',
    "{securityContext: {seccompProfile: {type: Nope}}, containers: [{name: a, image: b}]}": 'spec.securityContext.seccompProfile.type: Unsupported value: "Nope": supported values: "Localhost", "RuntimeDefault", "Unconfined"',
    "{activeDeadlineSeconds: 0, containers: [{name: a, image: b}]}": "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
    "{containers: [{name: a, image: b, securityContext: {privileged: true, allowPrivilegeEscalation: false}}]}": 'spec.containers[0].securityContext: Invalid value: {"Capabilities":null,"Privileged":true,"SELinuxOptions":null,"WindowsOptions":null,"RunAsUser":null,"RunAsGroup":null,"RunAsNonRoot":null,"ReadOnlyRootFilesystem":null,"AllowPrivilegeEscalation":false,"ProcMount":null,"SeccompProfile":null,"AppArmorProfile":null}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true',
    "{dnsPolicy: Nope, containers: [{name: a, image: b}]}": 'spec.dnsPolicy: Unsupported value: "Nope": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"',
    "{containers: [{name: a, image: ' b'}]}": 'spec.containers[0].image: Invalid value: " b": must not have leading or trailing whitespace',
}
