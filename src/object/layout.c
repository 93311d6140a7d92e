#include "object/layout.h"

#include "object/input.h"

bool object_place_bits(struct type_field *field, uint32_t struct_size, uint32_t first_bit, uint32_t width) {
    uint32_t unit = field->type->size;

    if (!type_is_scalar(field->type) || unit == 0 || unit > 8 || struct_size < unit || width > unit * 8)
        return false;
    const uint32_t starts[] = {first_bit / (unit * 8) * unit, first_bit / 8, struct_size - unit};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        uint64_t start_bit = 8 * (uint64_t)starts[i];
        if (object_fits(struct_size, starts[i], unit) && start_bit <= first_bit &&
            first_bit + (uint64_t)width <= start_bit + unit * 8) {
            field->offset = starts[i];
            field->bit_offset = (uint16_t)(first_bit - start_bit);
            field->bit_size = (uint16_t)width;
            return true;
        }
    }
    return false;
}
