//! The gRPC interfaces between the parts of the mesh.
