// SPDX-License-Identifier: BSD-2-Clause
// Collections, virtual calls and arithmetic; hot enough to be compiled while it runs.
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

public final class Work {
    interface Shape { double area(); }

    record Square(double side) implements Shape {
        public double area() { return side * side; }
    }

    record Circle(double radius) implements Shape {
        public double area() { return 3 * radius * radius; }
    }

    public static void main(String[] args) {
        int seed = 12345;
        List<Shape> shapes = new ArrayList<>();
        Map<Integer, Integer> count = new HashMap<>();
        for (int i = 0; i < 200000; i++) {
            seed = seed * 1103515245 + 12345 & 0x7fffffff;
            shapes.add(i % 3 == 0 ? new Circle(seed % 9) : new Square(seed % 7));
            count.merge(seed % 1000, 1, Integer::sum);
        }
        double area = 0;
        for (int round = 0; round < 5; round++)
            for (Shape s : shapes)
                area += s.area();
        long sum = 0;
        for (int i = 1; i < 3000000; i++)
            sum += Integer.bitCount(i * 0x9e3779b9) * (long) (i % 13);
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 20000; i++)
            text.append(count.getOrDefault(i % 1000, 0)).append(',');
        System.out.println(area + " " + sum + " " + text.toString().hashCode());
    }
}
