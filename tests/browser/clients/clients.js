// What browsers call the gateway with: connect-web in both its protocols, and grpc-web; each says what it saw.
import { createFileRegistry, fromBinary, toBinary, create } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import * as grpcWeb from "grpc-web";

const NAME = "shelves/1/books/1";

/** Runs every client against the gateway at `url`; `descriptors` are the bytes of the contract's FileDescriptorSet. */
export async function run({ url, token, descriptors }) {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptors));
  const service = registry.getService("shelf.v1.ShelfService");
  const shared = { baseUrl: url, interceptors: [authorized(token)] };
  const transports = {
    "connect json": createConnectTransport(shared),
    "connect json get": createConnectTransport({ ...shared, useHttpGet: true }),
    "connect binary": createConnectTransport({ ...shared, useBinaryFormat: true }),
    "connect binary get": createConnectTransport({ ...shared, useBinaryFormat: true, useHttpGet: true }),
    "grpc-web": createGrpcWebTransport(shared),
  };
  const seen = {};
  for (const [name, transport] of Object.entries(transports)) {
    seen[name] = await withConnect(createClient(service, transport), registry);
  }
  const stranger = createClient(service, createConnectTransport({ baseUrl: url }));
  seen.stranger = await failure(registry, () => stranger.getBook({ name: NAME }));
  for (const format of ["text", "binary"]) {
    seen[`google grpc-web ${format}`] = await withGrpcWeb(url, token, registry, service, format);
  }
  return seen;
}

function authorized(token) {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}

async function withConnect(client, registry) {
  const found = {};
  found.unary = (await client.getBook({ name: NAME })).title;
  found.long = (await client.getBook({ name: "shelves/1/books/long" })).title.length;
  found.refused = await failure(registry, () => client.createBook({ book: { title: "" } }));
  found.missing = await failure(registry, () => client.getBook({ name: "shelves/1/books/none" }));
  found.late = await failure(registry, () => client.getBook({ name: "shelves/1/books/slow" }, { timeoutMs: 300 }));
  found.stream = [];
  found.streamError = await failure(registry, async () => {
    for await (const answer of client.watchBooks({ resumeToken: "t0" })) found.stream.push(answer.resumeToken);
  });
  return found;
}

async function failure(registry, act) {
  try {
    await act();
    return "none";
  } catch (error) {
    const told = ConnectError.from(error);
    const info = told.findDetails(registry.getMessage("google.rpc.ErrorInfo"))[0];
    const bad = told.findDetails(registry.getMessage("google.rpc.BadRequest"))[0];
    return { code: Code[told.code], reason: info?.reason ?? "", fields: bad?.fieldViolations.map(({ field }) => field) ?? [] };
  }
}

async function withGrpcWeb(url, token, registry, service, format) {
  const client = new grpcWeb.GrpcWebClientBase({ format });
  const metadata = { authorization: `Bearer ${token}` };
  const described = (name, type) => {
    const method = service.methods.find((item) => item.name === name);
    return new grpcWeb.MethodDescriptor(
      `/${service.typeName}/${name}`, type, Object, Object,
      (fields) => toBinary(method.input, create(method.input, fields)),
      (bytes) => fromBinary(method.output, bytes),
    );
  };
  const unary = (fields) => {
    const method = described("GetBook", grpcWeb.MethodType.UNARY);
    return client.unaryCall(`${url}${method.getName()}`, fields, metadata, method);
  };
  const found = { unary: (await unary({ name: NAME })).title };
  found.missing = await unary({ name: "shelves/1/books/none" }).then(() => "none", ({ code, message }) => ({ code, message }));
  if (format === "text") {
    const method = described("WatchBooks", grpcWeb.MethodType.SERVER_STREAMING);
    const stream = client.serverStreaming(`${url}${method.getName()}`, { resumeToken: "t0" }, metadata, method);
    found.stream = [];
    found.streamError = await new Promise((resolve) => {
      stream.on("data", (answer) => found.stream.push(answer.resumeToken));
      stream.on("error", ({ code }) => resolve(code));
      stream.on("end", () => resolve("none"));
    });
  }
  return found;
}
