# Named tuples made in compiled code, without the argument tuple and the copy that a call of their
# type takes: named_new(), then named_set() for every field, in their order, before anything else.

from cpython.object cimport PyTypeObject

cdef extern from *:
    """
    static inline void lf_named_begin(PyObject *named) {
    #if PY_VERSION_HEX >= 0x030E0000        /* a tuple keeps its hash: none yet */
        ((PyTupleObject *)named)->ob_hash = -1;
    #else
        (void)named;
    #endif
    }
    """
    void lf_named_begin(object named)

cdef extern from "Python.h":
    object PyType_GenericAlloc(PyTypeObject *kind, Py_ssize_t size)
    void PyTuple_SET_ITEM(object named, Py_ssize_t field, object value)
    void PyObject_GC_UnTrack(object named)
    void Py_INCREF(object value)


cdef inline object named_new(object kind, Py_ssize_t size):
    """An object of `kind`, a NamedTuple of `size` fields, that has no values yet.

    For values that are in no cycle (numbers, text, bytes, packs): the collector does not look at
    it, as it does not look at a plain tuple of such.
    """
    cdef object named = PyType_GenericAlloc(<PyTypeObject *>kind, size)
    lf_named_begin(named)
    PyObject_GC_UnTrack(named)
    return named


cdef inline void named_set(object named, Py_ssize_t field, object value) noexcept:
    Py_INCREF(value)
    PyTuple_SET_ITEM(named, field, value)
