# Targets (core/target) by what devices registered, for what runs once per datagram.
#
# Decides nothing and makes no target: that is asked of `targets`, once for all devices that have
# registered the same objects in the same words. Knows that a device with settings of its own is
# not like the others; not what they mean.

from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memset

from lwm2m_fast.codec.senml cimport root_prefix
from lwm2m_fast.codec.types cimport as_types
from lwm2m_fast.core.devices cimport Device
from lwm2m_fast.core.records cimport record_endpoint


cdef int compare(const void *a, const void *b) noexcept nogil:
    return (<const uint32_t *>a)[0] > (<const uint32_t *>b)[0] or -(
        (<const uint32_t *>a)[0] < (<const uint32_t *>b)[0])


cdef inline uint32_t near_of(uint64_t shape) noexcept nogil:
    return <uint32_t>(shape >> 8) & (NEAR - 1)      # of the objects' hash


cdef class Form:
    """A Target, ready for use by compiled code."""

    def __init__(self, target not None):
        self.target = target
        self.types = as_types(target.types)
        self.root = root_prefix("a device", target.root)
        self.ready = {}
        found = [object_id << 16 | instance for object_id, (_, instances) in target.objects.items()
                 for instance in instances]
        self.instances = <uint32_t *>malloc((len(found) or 1) * sizeof(uint32_t))
        if self.instances == NULL:
            raise MemoryError
        for number in found:
            self.instances[self.instance_count] = number
            self.instance_count += 1
        qsort(self.instances, self.instance_count, sizeof(uint32_t), compare)

    def __dealloc__(self):
        free(self.instances)

    cdef bint has(self, uint32_t instance) noexcept nogil:
        cdef uint32_t low = 0, high = self.instance_count, middle
        while low < high:
            middle = (low + high) // 2
            if self.instances[middle] < instance:
                low = middle + 1
            else:
                high = middle
        return low < self.instance_count and self.instances[low] == instance


cdef class Forms:
    """`targets` makes what is not known yet (targets.py: form_at, own, revised)."""

    def __init__(self, Engine engine not None, targets):
        self.engine = engine
        self.targets = targets
        self.own = targets.own
        self.by_shape = {}
        self.by_target = {}
        self.revised = tuple(targets.revised)
        self.revision = self.revision_now()

    cdef Form at(self, uint32_t slot):
        cdef uint64_t shape = self.engine.shape_at(slot)
        cdef Device *device
        if not shape:
            return None
        if self.entered != self.engine.state.entered:
            self.check_revision()
        if len(self.own):
            device = self.engine.state.devices.at(slot)
            endpoint = (<const char *>record_endpoint(
                device.record))[:device.record.endpoint_size].decode()
            if endpoint in self.own:
                return self.of_target(self.targets.form_at(slot, endpoint))
        if self.near_shape[near_of(shape)] == shape:
            return <Form>self.near_form[near_of(shape)]
        return self.at_shape(slot, shape)

    cdef Form at_shape(self, uint32_t slot, uint64_t shape):
        cdef object found = self.by_shape.get(shape)
        if found is None:
            found = self.of_target(self.targets.form_at(slot, self.engine.endpoint_of(slot)))
            self.by_shape[shape] = found
        if found is not None:
            self.near_shape[near_of(shape)] = shape
            self.near_form[near_of(shape)] = <PyObject *>found
        return <Form>found

    cdef void forget(self) noexcept:
        memset(self.near_shape, 0, sizeof(self.near_shape))     # no device has the shape 0
        self.by_shape.clear()
        self.by_target.clear()

    cdef int check_revision(self) except -1:
        """What is kept is of the present definitions; asked once for each time the core is entered."""
        self.entered = self.engine.state.entered
        cdef int64_t revision = self.revision_now()
        if self.revision != revision:
            self.revision = revision
            self.forget()
        return 0

    cdef int64_t revision_now(self) except? -1:
        cdef int64_t total = 0
        for each in self.revised:
            total += <int64_t>each.revision
        return total

    cdef Form of_target(self, object target):
        cdef object found
        if target is None:
            return None
        found = self.by_target.get(target)
        if found is None:
            if len(self.by_target) >= MAX_FORMS:
                self.forget()
            found = Form(target)
            self.by_target[target] = found
            self.made += 1
        return <Form>found

    def form(self, uint32_t slot):
        """The form of the device in this slot of the table; None when it is free."""
        return self.at(slot)
