// C++: namespaces, overloads, base classes, references, objects with a copy constructor. classes [TIMES], after "go".
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

#define FUNCTION __attribute__((noinline, noclone))

namespace space {

struct First {
    long before = 30;
};

struct Base {
    int base_value = 31;
    virtual ~Base() = default;
};

class Derived : public First, public Base {
  public:
    int own = 32;
    static int shared;
    FUNCTION int method(int n);
};

int Derived::shared = 1;

int Derived::method(int n) {
    asm volatile("");
    return n + own + base_value;
}

FUNCTION int overloaded(int n) {
    asm volatile("");
    return n;
}

FUNCTION int overloaded(const char *text) {
    asm volatile("");
    return *text;
}

FUNCTION int by_reference(const Derived &object, int &number) {
    asm volatile("");
    return object.own + number;
}

struct Counted {
    int value;
    explicit Counted(int value) : value(value) {}
    Counted(const Counted &other) : value(other.value) { asm volatile(""); }
    ~Counted() { asm volatile(""); }
};

FUNCTION int by_value(Counted counted, int behind) {
    asm volatile("");
    return counted.value + behind;
}

} // namespace space

static volatile long sink;

int main(int argc, char **argv) {
    long times = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 1;
    space::Derived object;
    space::Counted counted(55);
    int number = 42;

    std::printf("ready %d\n", static_cast<int>(getpid()));
    std::fflush(stdout);
    if (std::getchar() == EOF)
        return 1;
    for (long i = 0; i < times; i++) {
        sink = sink + object.method(3);
        object.own = 39;
        sink = sink + space::overloaded(1) + space::overloaded("text");
        sink = sink + space::by_reference(object, number);
        sink = sink + space::by_value(counted, 66);
        object.own = 32;
    }
    std::puts("done");
    return 0;
}
