"""Makes buf/validate/validate.proto known to google.protobuf, which the generated code builds upon.

protovalidate's wheel carries that file for its own runtime only. Importing this module adds its descriptor to the default pool, once.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, field_mask_pb2, timestamp_pb2
from protovalidate._gen.buf.validate import validate_pb

_IMPORTED = (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2)  # its own imports have to be in the pool first

DESCRIPTOR = descriptor_pool.Default().AddSerializedFile(validate_pb.desc().proto.to_binary())
