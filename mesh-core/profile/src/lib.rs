//! ServiceProfiles and routes out of protobuf, OpenAPI and a template.
