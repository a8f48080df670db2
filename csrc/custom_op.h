/* A user's own native op: fill a pn_custom_op and hand its address to pyneuro.ops.custom.
 *
 * This header is plain C, includes nothing of pyneuro, and nothing need be linked. Compile the op
 * as a shared library that returns the address of a static pn_custom_op; it must outlive every use.
 * Functions return 0, or anything else after writing a message of at most `size` bytes to `error`.
 */
#ifndef PYNEURO_CUSTOM_OP_H
#define PYNEURO_CUSTOM_OP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PN_CUSTOM_OP_VERSION 1
#define PN_MAX_RANK 8

typedef enum pn_dtype {
  PN_BOOL,
  PN_UINT8,
  PN_UINT16,
  PN_UINT32,
  PN_UINT64,
  PN_INT8,
  PN_INT16,
  PN_INT32,
  PN_INT64,
  PN_FLOAT16,
  PN_BFLOAT16,
  PN_FLOAT32,
  PN_FLOAT64,
  PN_COMPLEX64,
  PN_COMPLEX128
} pn_dtype;

/* Shape and dtype of an input or output. */
typedef struct pn_spec {
  int32_t dtype; /* a pn_dtype */
  int32_t rank;
  int64_t shape[PN_MAX_RANK];
} pn_spec;

/* An array: row-major without gaps. Inputs must not be written. */
typedef struct pn_array {
  pn_spec spec;
  void* data;
} pn_array;

/* Runs task(closure, i) for i in [0, tasks) on pyneuro's threads; i alone may decide the result. */
typedef struct pn_context {
  void* host;
  void (*parallel_for)(void* host, int64_t tasks, void (*task)(void* closure, int64_t i),
                       void* closure);
} pn_context;

typedef struct pn_custom_op {
  uint32_t version; /* PN_CUSTOM_OP_VERSION */
  const char* name;
  int32_t inputs;  /* how many it takes */
  int32_t outputs; /* how many it gives, 1 to 8 */
  int (*infer)(const pn_spec* in, pn_spec* out, char* error, size_t size);
  int (*run)(const pn_context* context, const pn_array* in, pn_array* out, char* error,
             size_t size);
} pn_custom_op;

#ifdef __cplusplus
}
#endif

#endif
